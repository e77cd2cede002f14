"""The dashboards over what exporters tell: Redis, and the machine."""

from scripts.dashboards.model import Board, Query, Row, lines, number, stacked

__all__ = ["REDIS", "SYSTEM"]

_REDIS = 'job="redis",instance=~"$instance"'
_NODE = 'job="node",instance=~"$instance"'
_RATE = "[$__rate_interval]"
_DISKS = 'fstype!~"tmpfs|squashfs|ramfs"'
_HITS = f"sum(rate(redis_keyspace_hits_total{{{_REDIS}}}{_RATE}))"
_MISSES = f"sum(rate(redis_keyspace_misses_total{{{_REDIS}}}{_RATE}))"
_LEFT = f"node_filesystem_avail_bytes{{{_NODE},{_DISKS}}}"
_SIZE = f"node_filesystem_size_bytes{{{_NODE},{_DISKS}}}"

REDIS = Board(
    "cinema-redis",
    "Redis",
    "Memory, connections, hits and misses, commands.",
    "redis",
    (
        Row(
            "Now",
            (
                number("Up", "1 answers.", "none", f"min(redis_up{{{_REDIS}}})"),
                number("Memory", "In use.", "bytes", f"sum(redis_memory_used_bytes{{{_REDIS}}})"),
                number("Connections", "Of clients.", "none", f"sum(redis_connected_clients{{{_REDIS}}})"),
                number(
                    "Hits",
                    "Of all keys asked for.",
                    "percentunit",
                    f"{_HITS} / ({_HITS} + {_MISSES} > 0) or vector(0)",
                ),
                number(
                    "Commands",
                    "In a second.",
                    "ops",
                    f"sum(rate(redis_commands_processed_total{{{_REDIS}}}{_RATE}))",
                ),
            ),
        ),
        Row(
            "Memory and keys",
            (
                lines(
                    "Memory",
                    "In use, and the most there may be (0: no bound).",
                    "bytes",
                    Query(f"redis_memory_used_bytes{{{_REDIS}}}", "in use"),
                    Query(f"redis_memory_max_bytes{{{_REDIS}}}", "at most"),
                ),
                lines(
                    "Keys",
                    "By database.",
                    "none",
                    Query(f"sum by (db) (redis_db_keys{{{_REDIS}}})", "{{db}}"),
                ),
                lines(
                    "Keys that went",
                    "Expired as meant, or evicted for want of memory.",
                    "ops",
                    Query(f"rate(redis_expired_keys_total{{{_REDIS}}}{_RATE})", "expired"),
                    Query(f"rate(redis_evicted_keys_total{{{_REDIS}}}{_RATE})", "evicted"),
                ),
            ),
        ),
        Row(
            "Work",
            (
                lines(
                    "Hits and misses",
                    "Keys asked for.",
                    "ops",
                    Query(f"rate(redis_keyspace_hits_total{{{_REDIS}}}{_RATE})", "hits"),
                    Query(f"rate(redis_keyspace_misses_total{{{_REDIS}}}{_RATE})", "misses"),
                ),
                stacked(
                    "Commands",
                    "By kind.",
                    "ops",
                    Query(f"sum by (cmd) (rate(redis_commands_total{{{_REDIS}}}{_RATE}))", "{{cmd}}"),
                ),
                lines(
                    "Connections",
                    "Of clients.",
                    "none",
                    Query(f"redis_connected_clients{{{_REDIS}}}", "connected"),
                    Query(f"redis_blocked_clients{{{_REDIS}}}", "blocked"),
                ),
                lines(
                    "Network",
                    "In and out.",
                    "Bps",
                    Query(f"rate(redis_net_input_bytes_total{{{_REDIS}}}{_RATE})", "in"),
                    Query(f"rate(redis_net_output_bytes_total{{{_REDIS}}}{_RATE})", "out"),
                ),
            ),
        ),
    ),
)

SYSTEM = Board(
    "cinema-system",
    "System",
    "Processor, memory, disk and network of each machine.",
    "node",
    (
        Row(
            "Processor",
            (
                lines(
                    "Busy",
                    "Of all cores.",
                    "percentunit",
                    Query(
                        f'1 - avg by (instance) (rate(node_cpu_seconds_total{{{_NODE},mode="idle"}}{_RATE}))',
                        "{{instance}}",
                    ),
                    limit=0.9,
                ),
                stacked(
                    "By mode",
                    "In cores.",
                    "short",
                    Query(
                        f'sum by (mode) (rate(node_cpu_seconds_total{{{_NODE},mode!="idle"}}{_RATE}))',
                        "{{mode}}",
                    ),
                ),
                lines(
                    "Load",
                    "Tasks that run or wait, and the cores there are.",
                    "short",
                    Query(f"node_load1{{{_NODE}}}", "{{instance}}"),
                    Query(
                        f'count by (instance) (node_cpu_seconds_total{{{_NODE},mode="idle"}})',
                        "cores of {{instance}}",
                    ),
                ),
            ),
        ),
        Row(
            "Memory",
            (
                lines(
                    "In use",
                    "What could not be had at once.",
                    "percentunit",
                    Query(
                        f"1 - node_memory_MemAvailable_bytes{{{_NODE}}} / node_memory_MemTotal_bytes{{{_NODE}}}",
                        "{{instance}}",
                    ),
                    limit=0.9,
                ),
                lines(
                    "Available",
                    "To whoever asks.",
                    "bytes",
                    Query(f"node_memory_MemAvailable_bytes{{{_NODE}}}", "{{instance}}"),
                ),
                lines(
                    "Memory of the platform",
                    "Each process that tells it.",
                    "bytes",
                    Query("process_resident_memory_bytes", "{{job}} {{service}}"),
                ),
            ),
        ),
        Row(
            "Disk and network",
            (
                lines(
                    "Disk left",
                    "Of each file system.",
                    "percentunit",
                    Query(
                        f"min by (instance, mountpoint) ({_LEFT} / {_SIZE})",
                        "{{instance}} {{mountpoint}}",
                    ),
                ),
                lines(
                    "Disk traffic",
                    "Read and written.",
                    "Bps",
                    Query(f"sum by (instance) (rate(node_disk_read_bytes_total{{{_NODE}}}{_RATE}))", "read"),
                    Query(
                        f"sum by (instance) (rate(node_disk_written_bytes_total{{{_NODE}}}{_RATE}))",
                        "written",
                    ),
                ),
                lines(
                    "Network",
                    "Received and sent.",
                    "Bps",
                    Query(
                        f"sum by (instance) (rate(node_network_receive_bytes_total{{{_NODE}}}{_RATE}))",
                        "received",
                    ),
                    Query(
                        f"sum by (instance) (rate(node_network_transmit_bytes_total{{{_NODE}}}{_RATE}))",
                        "sent",
                    ),
                ),
                lines(
                    "Open files",
                    "Of each process that tells it.",
                    "none",
                    Query("process_open_fds", "{{job}} {{service}}"),
                ),
            ),
        ),
    ),
)

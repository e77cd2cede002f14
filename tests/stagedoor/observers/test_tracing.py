"""What the standard variables of OpenTelemetry mean, and that nothing is loaded where they ask for nothing."""

import subprocess
import sys

import pytest

from stagedoor._observers.tracing import exporters_in, propagates_in, tracing_of
from stagedoor.errors import ConfigError

ENDPOINT = "OTEL_EXPORTER_OTLP_ENDPOINT"
PLACE = "http://collector:4318"


@pytest.mark.parametrize(
    ("said", "exporters"),
    [
        ({}, ()),
        ({"OTEL_SERVICE_NAME": "shop", "OTEL_TRACES_SAMPLER": "nonsense"}, ()),
        ({ENDPOINT: PLACE}, ("otlp",)),
        ({"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": f"{PLACE}/v1/traces"}, ("otlp",)),
        ({"OTEL_TRACES_EXPORTER": "otlp"}, ("otlp",)),
        ({"OTEL_TRACES_EXPORTER": " Console, otlp"}, ("console", "otlp")),
        ({"OTEL_TRACES_EXPORTER": "none", ENDPOINT: PLACE}, ()),
        ({"OTEL_TRACES_EXPORTER": "", ENDPOINT: ""}, ()),
        ({"OTEL_SDK_DISABLED": "TRUE", ENDPOINT: PLACE}, ()),
        ({"OTEL_SDK_DISABLED": "false", ENDPOINT: PLACE}, ("otlp",)),
    ],
)
def test_n1_an_exporter_or_a_place_for_it_switches_traces_on(
    said: dict[str, str], exporters: tuple[str, ...]
) -> None:
    """N1: the names and the meaning of the specification, but for its default: unset is off."""
    assert exporters_in(said) == exporters


def test_n1_what_the_library_can_read_passes() -> None:
    """N1: else the names below would prove nothing."""
    said = {
        ENDPOINT: PLACE,
        "OTEL_BSP_MAX_QUEUE_SIZE": "4096",
        "OTEL_BSP_MAX_EXPORT_BATCH_SIZE": "4096",
        "OTEL_EXPORTER_OTLP_TIMEOUT": "2.5",
        "OTEL_EXPORTER_OTLP_HEADERS": "api-key=a%20b,x=",
        "OTEL_EXPORTER_OTLP_CERTIFICATE": __file__,
        "OTEL_RESOURCE_ATTRIBUTES": "service.name=shop,deployment.environment=test",
    }

    assert exporters_in(said) == ("otlp",)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("OTEL_TRACES_EXPORTER", "zipkin"),
        (ENDPOINT, "collector:4318"),
        (ENDPOINT, "http://user:canary@collector:99999"),
        ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "grpc://collector"),
        ("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc"),
        ("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "http/json"),
        ("OTEL_TRACES_SAMPLER", "sometimes"),
        ("OTEL_TRACES_SAMPLER_ARG", "2"),
        ("OTEL_TRACES_SAMPLER_ARG", "nan"),
        ("OTEL_PROPAGATORS", "tracecontext,b3"),
        ("OTEL_BSP_MAX_QUEUE_SIZE", "-1"),
        ("OTEL_BSP_SCHEDULE_DELAY", "soon"),
        ("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", "2049"),
        ("OTEL_SPAN_EVENT_COUNT_LIMIT", "many"),
        ("OTEL_EXPORTER_OTLP_TIMEOUT", "inf"),
        ("OTEL_EXPORTER_OTLP_TRACES_COMPRESSION", "lzma"),
        ("OTEL_EXPORTER_OTLP_HEADERS", "canary"),
        ("OTEL_EXPORTER_OTLP_CERTIFICATE", "/nowhere"),
        ("OTEL_RESOURCE_ATTRIBUTES", "=x"),
    ],
)
def test_n1_a_value_that_cannot_work_is_named_at_the_start(name: str, value: str) -> None:
    """N1: one line with the variable; what may hold a password is not repeated."""
    said = {ENDPOINT: PLACE, "OTEL_TRACES_SAMPLER": "traceidratio", name: value}

    with pytest.raises(ConfigError, match=name) as refusal:
        exporters_in(said)

    assert "canary" not in str(refusal.value)


@pytest.mark.parametrize(
    ("said", "goes"),
    [("", True), ("tracecontext,baggage", True), ("tracecontext", True), ("baggage", False), ("none", False)],
)
def test_n3_a_trace_goes_on_unless_the_propagators_leave_it_out(said: str, goes: bool) -> None:
    """N3: W3C trace context is what there is; baggage is what clients say, and is carried nowhere."""
    assert propagates_in({"OTEL_PROPAGATORS": said}) is goes


def test_n1_without_the_extra_a_line_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """N1: who asked for traces is told why there are none, and is served all the same."""
    monkeypatch.setitem(sys.modules, "stagedoor._observers.otel", None)

    made = tracing_of({ENDPOINT: PLACE}, "shop")

    (line,) = caplog.messages
    assert made is None
    assert "pip install stagedoor[otel]" in line


def test_n2_nothing_of_the_library_is_loaded_where_no_traces_are_wanted() -> None:
    """N2: who does not ask for traces pays nothing for them, neither time nor memory."""
    code = (
        "import sys\n"
        "from stagedoor import Gateway\n"
        "Gateway('shop').made()\n"
        "sys.exit(any(name.startswith('opentelemetry') for name in sys.modules))"
    )

    assert subprocess.run([sys.executable, "-c", code], check=False, timeout=30).returncode == 0

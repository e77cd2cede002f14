"""What the commands of `stagedoor` are made of: targets, exit codes, tables, and the project that `new` writes."""

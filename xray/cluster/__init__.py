"""Ray: connect, place actor pools, stream shards, report a heartbeat and metrics."""

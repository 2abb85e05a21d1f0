"""What a run says: the record, log lines, metrics and events."""

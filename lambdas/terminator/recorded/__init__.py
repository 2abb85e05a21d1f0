"""What was recorded: decision records read back from logs, as a history and as a report.

Only the command line uses it; none of it is bundled for Lambda.
"""

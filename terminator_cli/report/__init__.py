"""`terminator report`: decision records as one HTML page."""

"""The doctor's checks and their report. It reads and changes nothing."""

"""`cinema backup DIR` and `cinema restore DIR`: tables and pictures of one moment, taken while others write."""

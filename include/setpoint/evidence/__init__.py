"""What the gate leaves behind: cases in quarantine, pages and plots of batches, replays, and quality as a metric."""

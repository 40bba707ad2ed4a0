"""The page that shows it all at work: phones, desk and pipeline side by side. Served by the demo only."""

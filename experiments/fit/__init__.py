"""From labelled photos to proven networks within a latency and a time budget, made of the other commands' parts."""

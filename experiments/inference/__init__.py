"""Networks in use: opened in an engine, timed beside each other in processes of their own, and run over whole videos."""

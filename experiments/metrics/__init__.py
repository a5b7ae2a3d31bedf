"""Scores of predictions against labels: mIoU and accuracy, boundary F1, a network on a stream of batches."""

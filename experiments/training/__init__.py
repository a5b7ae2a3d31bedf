"""Training and evaluating segmentation networks: module, loss, mIoU, callbacks."""

"""What the product tells of itself: metrics and spans."""

"""What people would use instead of SpeedDash, each as a process of its own that listens on the port it is given."""

"""What ``setpoint doctor`` looks at, one file per concern. Every check only reads."""

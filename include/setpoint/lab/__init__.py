"""An AWS to practise on: moto's server with a small world on top that makes it behave like AWS.

`aws` extends moto where it answers but does not behave, `world` simulates traffic and publishes metrics, `server`
runs both behind one loopback port, `client` talks to the control API, `provision` creates what a demo needs.
"""

"""The account side of the simulated venue: who signed, what they own, and what their orders do.

A core without clock and sockets: `Exchange` is handed actions and the time, and tells what happened.
"""

"""Chaos test: real orders by the API on a stack of its own, with venue faults and randomly killed processes.

`plan` derives requests and faults from a seed; `stack` starts and kills processes; `clients` send requests and
retry them until they are answered; `fault_injector` injects faults; `simulator_client` is a client of the
simulator's control plane; `verification` compares the local state with the venue's; `report` is the output.
"""

"""Services, deployments and partitions as the control plane publishes them. Pure: no I/O.

Modules:
    services    services, handlers and their options
    deployments where services run and which protocol they speak
    partitions  which partition holds which range of the key space
    defaults    what holds where neither handler nor service says anything
    catalog     all of it at one version, with the look-ups that routers need
"""

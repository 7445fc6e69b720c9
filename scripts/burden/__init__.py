"""`scripts/memory`: a node under loads that are hard on memory, and what its processes need meanwhile.

Modules:
    main      arguments, the node and the service, the table
    cases     the loads, each with what must have come of it
    bench     calls to the node, a steady trickle of calls beside the load, memory of its processes
    service   the service that the loads call
    wire      its HTTP/2, which can be slow or deaf
"""

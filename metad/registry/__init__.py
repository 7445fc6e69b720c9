"""What the control plane decides, and the discovery that feeds it.

Modules, in path order:
    address     a deployment's URI: its form and its identity
    discovery   asks a deployment what it serves
    service_call    one request to a deployment that is no attempt
    http2_call  one request over HTTP/2
    answer      the manifest as JSON: shape and value ranges
    manifest    manifest -> services and handlers of the catalog
    commands    what the log of group `meta` carries
    codec       a proposal <-> bytes, with its format version
    state       the registry's state and the catalog made of it
    rules       the rule book: changes of many rules at once
    changes     changes of what is registered: a service's options, a deployment's address
    registry    apply(state, proposal) -> new state and outcome
    outcomes    what a proposal led to
    errors      why a deployment cannot be registered
"""

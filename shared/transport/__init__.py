"""What every call of a user service has in common, discovery and attempts alike.

Modules, from a call's head to its socket:
    outbound    all of it, as the settings say
    identity    request identity: signs what we send
    trace       the client's trace context, passed on
    authorities how to import a library that would read them at once
    tls         trust, ALPN, and what is wrong with a certificate
"""

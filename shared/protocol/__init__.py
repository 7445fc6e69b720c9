"""The service protocol's messages: what partitiond speaks with services and sqld shows. Pure: no I/O.

Modules:
    versions        the protocol versions that we speak
    message_types   numbers, names and roles of all messages
    varint          numbers, for messages that are made by hand
    input           the Input command's bytes, made the fast way
    large_values    SetState with a large value, read without a copy of it
    service_pb2     generated from service.proto
"""

"""The admin API over HTTP.

Modules, in path order:
    app             the routes under all API versions, and the server
    versions        which API version a request speaks
    parameters      parameters in paths and queries: form and ranges
    bodies          request bodies: shape, types and ranges
    deployments     register, list, show, update and remove deployments
    services        show services and handlers, change a service's options
    service_openapi     a service -> OpenAPI of its routes at the ingress (pure)
    state           replace the state of an object or workflow
    serdes          values of services as JSON and back
    limits          change the rule book
    invocations     cancel, kill, purge, pause, resume and restart
    batches         the same for up to a thousand at once
    operator        asks the leader of an invocation's partition
    outcomes        what a worker says of such a request -> status and text
    query           SQL, streamed from sqld
    absent          Kafka and the web UI, which are not here
    health          can this node serve
    version         what this server is
    openapi         the admin API described as OpenAPI
    openapi_shapes  the schemas of its answers
    render          catalog -> the JSON of the API
    friendly        durations and times as the API prints them
    errors          failures -> status and body
"""

"""`scripts/bench growth`: what a call costs as work grows, beside the oracle, as a table and as a picture.

Modules:
    main      arguments, the runs in turn, what is there already
    points    the questions, their points, the numbers and their medians
    measure   one point: start, bring to where it is to stand, load
    filled    a runtime with so many completed invocations
    payload   an endpoint of nginx whose answers are as large as the calls
    waiting   connections that wait for an answer
    table     the numbers as text
    plot      the picture
"""

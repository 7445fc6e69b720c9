"""`python -m scripts.node`: the supervisord of a node; `launch` starts it, people do not."""

from scripts.node.supervisor import main

if __name__ == "__main__":
    main()

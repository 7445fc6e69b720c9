"""What psql and drivers ask of pg_catalog. Runs in the query worker.

Modules:
    session             a DataFusion session with pg_catalog, made when first asked
    rewrite             PostgreSQL's catalogue queries -> what DataFusion can run (pure)
    emptiness           queries over tables that are always empty (pure)
    relations           the rows of pg_catalog's tables (pure)
    information_schema  those of information_schema (pure)
    functions           the functions that catalogue queries call
"""

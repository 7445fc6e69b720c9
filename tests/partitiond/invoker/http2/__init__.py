"""Tests of `partitiond.invoker.http2`; a package so that its modules may share names with other folders'."""

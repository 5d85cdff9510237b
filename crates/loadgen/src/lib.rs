//! Load and benchmarks against a running cluster.

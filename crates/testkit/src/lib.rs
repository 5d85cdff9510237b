//! A database per test, real workers, sockets, a proxy that cuts wires.

//! What others may use of the load generator: the reference scanner. Nothing of ours is imported:
//! it knows the product by its API alone, as any scanner does.

pub mod scanner;

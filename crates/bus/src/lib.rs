//! The only door to Redis: publish and subscribe per venue.

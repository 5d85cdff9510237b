//! WebSocket sessions, sequencers and resume.

//! The binary: routes, OpenAPI, jobs, configuration, commands.

/** Numbers that both ends of the socket must agree on. Values only; imports nothing. */

/** A header block is `Content-Length: n` and at most a content type; 8 KiB is generous and bounds the search for its end. */
export const MAX_HEADER_BYTES = 8 * 1024;
/** Largest request or response body. */
export const MAX_BODY_BYTES = 32 * 1024 * 1024;
/** A frame that has begun must be complete after this time. */
export const FRAME_TIMEOUT_MS = 10_000;
/** The first request of a connection must be a successful `initialize` within this time. */
export const INITIALIZE_TIMEOUT_MS = 5_000;
/** Requests of one connection that may be unanswered at the same time. */
export const MAX_IN_FLIGHT = 64;
/** Connections at the same time. */
export const MAX_CONNECTIONS = 256;
/** Unread output of one connection; beyond it the connection is closed. */
export const MAX_BACKLOG_BYTES = 64 * 1024 * 1024;
/** Nesting of a request body. */
export const MAX_JSON_DEPTH = 64;
/** Matches of search/grep where the request names no limit; a client that says "there are more" has to know it. */
export const DEFAULT_GREP_MATCHES = 200;
/** sun_path is 104 bytes on macOS and 108 on Linux, with a NUL; older Node versions truncate silently. */
export const MAX_SOCKET_PATH_BYTES = 103;

/* status: the status lines with which replies begin (RFC 9110, section 15). A table. */
#ifndef HTTP_SERVER_STATUS_H
#define HTTP_SERVER_STATUS_H

#include <stddef.h>

enum { STATUS_LINE_BYTES_MAX = 64 };

/* Writes "HTTP/1.1 404 Not Found\r\n", at most STATUS_LINE_BYTES_MAX bytes without a zero; returns the end. */
char *status_line(char *to, int status);

#endif

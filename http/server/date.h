/* date: times as HTTP writes them (RFC 9110, section 5.6.7). Formats only; curl_getdate reads them. */
#ifndef HTTP_SERVER_DATE_H
#define HTTP_SERVER_DATE_H

#include <time.h>

enum { HTTP_DATE_BYTES = 30 }; /* "Sun, 06 Nov 1994 08:49:37 GMT" and its zero */

/* Years before 1 or after 9999 become the beginning of 1970. */
void http_date(time_t at, char out[HTTP_DATE_BYTES]);

#endif

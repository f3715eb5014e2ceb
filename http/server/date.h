/* date: writes times as HTTP has them (RFC 9110, section 5.6.7); curl_getdate reads them. Pure. */
#ifndef HTTP_SERVER_DATE_H
#define HTTP_SERVER_DATE_H

#include <time.h>

enum { HTTP_DATE_BYTES = 30 }; /* "Sun, 06 Nov 1994 08:49:37 GMT" and its zero */

/* Writes the time, with a zero. Years before 1 and after 9999 become the beginning of 1970. */
void http_date(time_t at, char out[HTTP_DATE_BYTES]);

#endif

/* handle: what every curl handle of this process is told, whoever owns it. Owns nothing. */
#ifndef HTTP_CLIENT_HANDLE_H
#define HTTP_CLIENT_HANDLE_H

#include <curl/curl.h>
#include <stdbool.h>

/* Makes a handle for http and https that raises no signals, and whose thread never waits for a look-up of curl's that
 * is under way: a name server that does not answer may take a minute. False: no memory. */
bool handle_prepare(CURL *h);
/* Makes the multi handle let go of such look-ups too, from curl 8.20 on. False: no memory. */
bool handle_prepare_multi(CURLM *m);

#endif

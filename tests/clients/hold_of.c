/* How many milliseconds a client is held at an output URL: its request's head comes on standard input, as it was sent.
 */
#include "runtime/clients/hold.h"

#include <stdio.h>
#include <string.h>

enum { HEADERS_MAX = 64, LINE_MAX_BYTES = 4096 };

int main(void)
{
    static char lines[HEADERS_MAX][LINE_MAX_BYTES];
    static http_header headers[HEADERS_MAX];
    char first[LINE_MAX_BYTES];
    if (!fgets(first, sizeof first, stdin)) return 2;
    http_request q = {.headers = headers, .http11 = strstr(first, " HTTP/1.1") != NULL};
    for (char *line; q.header_count < HEADERS_MAX && (line = fgets(lines[q.header_count], LINE_MAX_BYTES, stdin));) {
        char *colon = strchr(line, ':');
        line[strcspn(line, "\r\n")] = 0;
        if (!colon) break;
        *colon = 0;
        char *value = colon + 1 + strspn(colon + 1, " \t");
        headers[q.header_count++] = (http_header){{line, strlen(line)}, {value, strlen(value)}};
    }
    printf("%lld\n", (long long)hold_for(&q));
    return 0;
}

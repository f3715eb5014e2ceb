/* Bytes that are to be read in two ways, against a whole service: each request whose end could be disputed is refused,
 * or bounded, and what was smuggled behind it is never run. */
#include <poll.h>
#include <string.h>

#include "tests/service/attacked.h"

static const char next_request[] = "GET /evil HTTP/1.1\r\nHost: x\r\n\r\n";

/* One answer, a refusal, and the end of the connection. */
static void expect_refusal(size_t number)
{
    int status = strncmp(got, "HTTP/1.1 ", 9) == 0 ? atoi(got + 9) : 0;
    bool refused = status == 400 || status == 413 || status == 431 || status == 501;
    if (!refused || strstr(got + 1, "HTTP/1.1 ")) printf("# request %zu: %s\n", number, got);
    CHECK(refused && !strstr(got + 1, "HTTP/1.1 "));
    CHECK(strstr(got, "\r\nConnection: close\r\n"));
}

static void refuse_bytes(const char *request, size_t len, size_t number)
{
    int fd = dial();
    CHECK(say(fd, request, len) && say(fd, next_request, strlen(next_request)));
    read_all(fd);
    close(fd);
    expect_refusal(number);
}

static const char *const smuggled[] = {
    POST "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    POST "Content-Length: 0\r\ntransfer-encoding: CHUNKED\r\n\r\n0\r\n\r\n",
    POST "Content-Length: 5\r\nContent-Length: 0\r\n\r\nhello",
    POST "Content-Length: 5\r\nContent-Length: 5\r\n\r\nhello",
    POST "Content-Length: 5, 5\r\n\r\nhello",
    POST "Content-Length: 5 0\r\n\r\nhello",
    POST "Content-Length: -0\r\n\r\n",
    POST "Content-Length: 0x5\r\n\r\nhello",
    POST "Content-Length: 5;\r\n\r\nhello",
    POST "Content-Length: \"5\"\r\n\r\nhello",
    POST "Content-Length: 18446744073709551621\r\n\r\nhello",
    POST "Content-Length:\r\n\r\n",
    POST "Content-Length : 5\r\n\r\nhello",
    POST "Content-Length\t: 5\r\n\r\nhello",
    POST "Content-Length\r\n\r\n",
    POST "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    POST "Transfer-Encoding: chunked, chunked\r\n\r\n0\r\n\r\n",
    POST "Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n",
    POST "Transfer-Encoding: identity\r\n\r\n",
    POST "Transfer-Encoding: \"chunked\"\r\n\r\n0\r\n\r\n",
    POST "Transfer-Encoding: chunked;q=1\r\n\r\n0\r\n\r\n",
    POST "Transfer-Encoding: \x0b"
         "chunked\r\n\r\n0\r\n\r\n",
    POST "Transfer-Encoding:\r\n\r\n0\r\n\r\n",
    POST "Transfer-Encoding:\r\n chunked\r\n\r\n0\r\n\r\n",
    POST "Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n",
    POST " Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    POST "Transfer-Encoding: chunked\nX: y\r\n\r\n0\r\n\r\n",
    POST "X: y\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    POST "X: y\rTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    POST "X: y\r\n\tz\r\n\r\n",
    POST "Content-Length: 0\r\n\n",
    POST "Content-Length: 0\n\r\n",
    "POST /work HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "POST /work HTTP/1.1\nHost: x\n\n",
    "POST /work HTTP/1.1\rHost: x\r\r",
    CHUNKED "0x3\r\nabc\r\n0\r\n\r\n",
    CHUNKED "3\nabc\r\n0\r\n\r\n",
    CHUNKED "3\rabc\r\n0\r\n\r\n",
    CHUNKED "3\r\nabc\r0\r\n\r\n",
    CHUNKED "3\r\nabc0\r\n\r\n",
    CHUNKED " 3\r\nabc\r\n0\r\n\r\n",
    CHUNKED "3;a\nbc\r\n0\r\n\r\n",
    CHUNKED "3;a\rb\r\nabc\r\n0\r\n\r\n",
    CHUNKED "3\t\r\nabc\r\n0\r\n\r\n",
    CHUNKED "+3\r\nabc\r\n0\r\n\r\n",
    CHUNKED "10000000000000003\r\nabc\r\n0\r\n\r\n",
    CHUNKED "ffffffffffffffff\r\nabc\r\n0\r\n\r\n",
    CHUNKED "00000000000000000000000000000003\r\nabc\r\n0\r\n\r\n",
    CHUNKED "\r\n0\r\n\r\n",
    CHUNKED "0\n\n",
    CHUNKED "0\r\n\n",
    CHUNKED "0\r\nX: y\n\r\n",
    CHUNKED "0\r\nX : y\r\r\n",
    CHUNKED "0\r\n X: y\r\n\r\n",
};

#define ZERO(s) s, sizeof(s) - 1
static const struct {
    const char *data;
    size_t len;
} with_zeros[] = {{ZERO("POST /work\0 HTTP/1.1\r\nHost: x\r\n\r\n")},
                  {ZERO("POST /work HTTP/1.1\r\nHost: x\0\r\n\r\n")},
                  {ZERO(POST "X\0: y\r\n\r\n")},
                  {ZERO(POST "X: y\0z\r\n\r\n")},
                  {ZERO(POST "Content-Length: 0\0\r\n\r\n")},
                  {ZERO(CHUNKED "3\0\r\nabc\r\n0\r\n\r\n")},
                  {ZERO(CHUNKED "3;\0\r\nabc\r\n0\r\n\r\n")},
                  {ZERO(CHUNKED "0\r\nX: \0\r\n\r\n")}};

static void test_smuggling(void)
{
    start();
    for (size_t i = 0; i < sizeof smuggled / sizeof smuggled[0]; i++) refuse_bytes(smuggled[i], strlen(smuggled[i]), i);
    for (size_t i = 0; i < sizeof with_zeros / sizeof with_zeros[0]; i++)
        refuse_bytes(with_zeros[i].data, with_zeros[i].len, 100 + i);
    CHECK_INT(count_of(&seen->runs), 0);
    CHECK_INT(count_of(&seen->evil), 0);
    CHECK(served_well());
    stop();
}

/* Sends `piece` until it is answered, at most 4 MiB of it. */
static void refuse_endless(const char *head, const char *piece, size_t number)
{
    size_t len = strlen(piece), sent = 0;
    int fd = dial();
    CHECK(say(fd, head, strlen(head)));
    struct pollfd answered = {.fd = fd, .events = POLLIN};
    while (sent < (size_t)4 << 20 && poll(&answered, 1, 0) == 0 && say(fd, piece, len)) sent += len;
    (void)say(fd, next_request, strlen(next_request));
    read_all(fd);
    close(fd);
    expect_refusal(number);
}

static void test_megabytes(void)
{
    static char filler[8192];
    memset(filler, 'a', sizeof filler - 1);
    start();
    refuse_endless(CHUNKED "3;", filler, 0);
    refuse_endless(CHUNKED "3;a=\"", filler, 1);
    refuse_endless(CHUNKED, "1;abcdefgh\r\nx\r\n", 2); /* a little with each of very many */
    refuse_endless(CHUNKED "0\r\nX: ", filler, 3);
    refuse_endless(CHUNKED "0\r\n", "X: y\r\n", 4);
    refuse_endless(CHUNKED, "100000\r\n", 5); /* no data behind it */
    refuse_endless(CHUNKED, "0", 6);
    refuse_endless(POST "X: ", filler, 7);
    refuse_endless(POST, "X: y\r\n", 8);
    refuse_endless("POST /work HTTP/1.1\r\nHost: ", filler, 9);
    CHECK_INT(count_of(&seen->runs), 0);
    CHECK_INT(count_of(&seen->evil), 0);
    CHECK(served_well());
    stop();
}

static void test_large_header(void)
{
    static char request[20000];
    start();
    memset(request, 0, sizeof request);
    strcpy(request, "POST /work HTTP/1.1\r\nHost: x\r\nIdempotency-Key: ");
    memset(request + strlen(request), 'k', 17 * 1024);
    strcat(request, "\r\n\r\n");
    CHECK_INT(ask(request), 431);
    CHECK_INT(count_of(&seen->runs), 0);
    CHECK(served_well());
    stop();
}

static const check_case cases[] = {{"request smuggling", test_smuggling},
                                   {"megabytes of framing", test_megabytes},
                                   {"a header of 17 KiB", test_large_header}};

SERVED_MAIN(attacked_serve, attacked_prepare, cases)

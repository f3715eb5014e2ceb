/* Files of a folder over a real server: what is sent, what never is. */
#include "http/server/files.h"

#include <ftw.h>
#include <sys/stat.h>
#include <sys/time.h>

#include "tests/harness/http_harness.h"

enum { LARGE = (17 << 20) + 3, SLOW = 40 };

static char root[] = "/tmp/stepwell-files-XXXXXX";

static void serve(void *arg, http_exchange *x)
{
    char dir[128];
    const char *path = http_exchange_request(x)->path.data;
    (void)arg;
    snprintf(dir, sizeof(dir), "%s/site", root);
    http_files_serve(&test->loop, x, dir, strncmp(path, "/pub", 4) == 0 ? path + 4 : path);
}

static void put(const char *name, const char *content, size_t len)
{
    char path[128];
    snprintf(path, sizeof(path), "%s/%s", root, name);
    FILE *file = fopen(path, "w");
    CHECK(file && fwrite(content, 1, len, file) == len && fclose(file) == 0);
}

static void folder(const char *name)
{
    char path[128];
    snprintf(path, sizeof(path), "%s/%s", root, name);
    CHECK(mkdir(path, 0755) == 0);
}

static void set_up(void)
{
    static const http_server_options options = {.on_request = serve};
    char from[128], to[128];
    CHECK(mkdtemp(root));
    folder("site");
    folder("site/sub");
    folder("site/empty");
    folder("site/.git");
    put("secret.txt", "secret", 6);
    put("site/index.html", "<h1>", 4);
    put("site/a b.txt", "text", 4);
    put("site/app.JS", "js", 2);
    put("site/none", "", 0);
    put("site/.git/config", "secret", 6);
    put("site/sub/index.html", "sub", 3);
    snprintf(from, sizeof(from), "%s/site/out.txt", root);
    CHECK(symlink("../secret.txt", from) == 0);
    snprintf(from, sizeof(from), "%s/site/absolute.txt", root);
    snprintf(to, sizeof(to), "%s/secret.txt", root);
    CHECK(symlink(to, from) == 0);
    snprintf(from, sizeof(from), "%s/site/in.txt", root);
    CHECK(symlink("sub/index.html", from) == 0);
    snprintf(from, sizeof(from), "%s/site/large.bin", root);
    FILE *large = fopen(from, "w");
    CHECK(large);
    for (int i = 0; i < LARGE / 8; i++) CHECK(fprintf(large, "%07d\n", i) == 8);
    CHECK(fwrite("end", 1, LARGE % 8, large) == LARGE % 8 && fclose(large) == 0);
    snprintf(from, sizeof(from), "%s/site/pipe", root);
    CHECK(mkfifo(from, 0644) == 0);
    test_start(&options);
}

static int remove_one(const char *path, const struct stat *about, int type, struct FTW *walk)
{
    (void)about, (void)type, (void)walk;
    return remove(path);
}

static test_answer get(int fd, const char *method, const char *path, const char *header)
{
    char request[4096];
    snprintf(request, sizeof(request), "%s %s HTTP/1.1\r\nHost: x\r\n%s\r\n", method, path, header);
    test_say(fd, request);
    return strcmp(method, "HEAD") == 0 ? test_read_head(fd) : test_read(fd);
}

static void sends(void)
{
    static const struct {
        const char *path, *type, *body;
    } cases[] = {
        {"/", "text/html; charset=utf-8", "<h1>"},
        {"/pub/", "text/html; charset=utf-8", "<h1>"},
        {"/index.html?x", "text/html; charset=utf-8", "<h1>"},
        {"/a%20b.txt", "text/plain; charset=utf-8", "text"},
        {"/app.JS", "text/javascript; charset=utf-8", "js"},
        {"/none", "application/octet-stream", ""},
        {"/sub/", "text/html; charset=utf-8", "sub"},
        {"/in.txt", "text/plain; charset=utf-8", "sub"},
    };
    int fd = test_connect();
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        test_answer a = get(fd, "GET", cases[i].path, "");
        CHECK_INT(a.status, 200);
        CHECK_STR(test_find(&a, "Content-Type"), cases[i].type);
        CHECK_STR(a.body, cases[i].body);
        free(a.body);
        a = get(fd, "HEAD", cases[i].path, "");
        CHECK_INT(a.status, 200);
        CHECK_INT(strtoul(test_find(&a, "Content-Length"), NULL, 10), strlen(cases[i].body));
    }
    close(fd);
}

static void conditions(void)
{
    char etag[512], date[512], header[2048];
    int fd = test_connect();
    test_answer a = get(fd, "GET", "/index.html", "");
    snprintf(etag, sizeof(etag), "%s", test_find(&a, "ETag"));
    snprintf(date, sizeof(date), "%s", test_find(&a, "Last-Modified"));
    free(a.body);
    static const struct {
        const char *format;
        int uses_date, status;
    } cases[] = {
        {"If-None-Match: %s\r\n", 0, 304},
        {"If-None-Match: \"x\", W/%s\r\n", 0, 304},
        {"If-None-Match: *\r\n", 0, 304},
        {"If-None-Match: \"x\"\r\n", 0, 200},
        {"If-Modified-Since: %s\r\n", 1, 304},
        {"If-Modified-Since: Sun, 06 Nov 1994 08:49:37 GMT\r\n", 1, 200},
        {"If-Modified-Since: nonsense\r\n", 1, 200},
        {"If-None-Match: \"x\"\r\nIf-Modified-Since: %s\r\n", 1, 200}, /* the first decides */
        {"If-None-Match: \"x\"\r\nif-none-match: %s\r\n", 0, 304},     /* two lines are one list */
        {"If-None-Match: \"a,\\\", junk , %s\r\n", 0, 304},
        {"If-None-Match: \"%s\r\n", 0, 200}, /* it lies between tags */
        {"If-None-Match: \r\n", 0, 200},
        {"If-Match: %s\r\n", 0, 200},
        {"If-Match: *\r\n", 0, 200},
        {"If-Match: \"x\"\r\n", 0, 412},
        {"If-Match: \"x\"\r\nIf-Match: %s\r\n", 0, 200},
        {"If-Match: W/%s\r\n", 0, 412}, /* a weak tag says nothing about bytes */
        {"If-Match: \r\n", 0, 412},
        {"If-Match: \"x\"\r\nIf-None-Match: *\r\n", 0, 412}, /* looked at before the other */
        {"If-Match: *\r\nIf-None-Match: %s\r\n", 0, 304},
        {"If-Unmodified-Since: %s\r\n", 1, 200},
        {"If-Unmodified-Since: Sun, 06 Nov 1994 08:49:37 GMT\r\n", 1, 412},
        {"If-Unmodified-Since: nonsense\r\n", 1, 200},
        {"If-Match: *\r\nIf-Unmodified-Since: Sun, 06 Nov 1994 08:49:37 GMT\r\n", 1, 200},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        const char *hole = strstr(cases[i].format, "%s");
        int before = hole ? (int)(hole - cases[i].format) : (int)strlen(cases[i].format);
        snprintf(header, sizeof(header), "%.*s%s%s", before, cases[i].format,
                 !hole                ? ""
                 : cases[i].uses_date ? date
                                      : etag,
                 hole ? hole + 2 : "");
        a = get(fd, "GET", "/index.html", header);
        printf("# %.*s\n", (int)strcspn(cases[i].format, "\r"), cases[i].format);
        CHECK_INT(a.status, cases[i].status);
        if (a.status != 412) CHECK_STR(test_find(&a, "ETag"), etag);
        free(a.body);
    }
    close(fd);
}

static void refuses(void)
{
    static const struct {
        const char *method, *path;
        int status;
    } cases[] = {
        {"GET", "/missing", 404},
        {"GET", "/../secret.txt", 404},
        {"GET", "/%2e%2e/secret.txt", 404},
        {"GET", "/..%2fsecret.txt", 404},
        {"GET", "/sub/../../secret.txt", 404},
        {"GET", "/out.txt", 404},
        {"GET", "/absolute.txt", 404},
        {"GET", "//etc/passwd", 404},
        {"GET", "/%2fetc/passwd", 404},
        {"GET", "/.git/config", 404},
        {"GET", "/sub//index.html", 404},
        {"GET", "/empty/", 404},
        {"GET", "/index.html/", 404},
        {"GET", "/index.html%00.txt", 404},
        {"GET", "/%", 404},
        {"GET", "/pipe", 404},
        {"POST", "/index.html", 405},
    };
    int fd = test_connect();
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        test_answer a = get(fd, cases[i].method, cases[i].path, "");
        if (a.status != cases[i].status) printf("# %s\n", cases[i].path);
        CHECK_INT(a.status, cases[i].status);
        CHECK(!strstr(a.body, "secret"));
        CHECK(a.status != 405 || test_find(&a, "Allow"));
        free(a.body);
    }
    close(fd);
}

static void check_large(const test_answer *a)
{
    char expected[16];
    CHECK_INT(a->status, 200);
    CHECK_INT(a->len, LARGE);
    for (int i = 0; i < LARGE / 8; i++) {
        snprintf(expected, sizeof(expected), "%07d\n", i);
        CHECK(memcmp(a->body + 8 * (size_t)i, expected, 8) == 0);
    }
    CHECK_STR(a->body + LARGE / 8 * 8, "end");
}

/* Larger than a piece: all of it comes, and the connection goes on behind it. */
static void large(void)
{
    int fd = test_connect();
    test_answer a = get(fd, "HEAD", "/large.bin", "");
    CHECK_INT(strtoul(test_find(&a, "Content-Length"), NULL, 10), LARGE);
    test_say(fd, "GET /large.bin HTTP/1.1\r\nHost: x\r\n\r\nGET /a%20b.txt HTTP/1.1\r\nHost: x\r\n\r\n");
    a = test_read(fd);
    check_large(&a);
    free(a.body);
    test_expect(fd, 200, "text");
    a = get(fd, "GET", "/large.bin", "Range: bytes=0-9\r\n"); /* ranges are not served: all of it is right too */
    check_large(&a);
    free(a.body);
    close(fd);
    fd = test_connect();
    test_say(fd, "GET /large.bin HTTP/1.0\r\n\r\n");
    a = test_read(fd);
    check_large(&a);
    free(a.body);
    test_expect_end(fd);
}

static long resident_kib(void)
{
    char line[256];
    long kib = -1;
    FILE *status = fopen("/proc/self/status", "r");
    CHECK(status);
    while (fgets(line, sizeof(line), status))
        if (sscanf(line, "VmRSS: %ld", &kib) == 1) break;
    fclose(status);
    return kib;
}

static int begin_large(void)
{
    int fd = test_connect(), small = 4096;
    CHECK(setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &small, sizeof(small)) == 0);
    test_say(fd, "GET /large.bin HTTP/1.1\r\nHost: x\r\n\r\n");
    test_answer a = test_read_head(fd);
    CHECK_INT(a.status, 200);
    return fd;
}

/* Clients that do not read have a piece of the file in memory each; before, all of it: 680 MiB. */
static void slow_readers(void)
{
    int fds[SLOW];
    long before = resident_kib();
    for (int i = 0; i < SLOW; i++) fds[i] = begin_large();
    CHECK(resident_kib() - before < (long)SLOW * 512);
    for (int i = 0; i < SLOW; i++) close(fds[i]);
    TEST_AWAIT(test_exchanges() == 0);
}

/* A file in pieces holds a descriptor, and those of the rest of the process are not for it. */
static void without_descriptors(void)
{
    static const http_server_options few = {.on_request = serve, .descriptors_max = 40};
    int held[64], count = 0;
    test_stop();
    test_start(&few);
    int fd = test_connect();
    test_answer a = get(fd, "GET", "/large.bin", "");
    check_large(&a);
    free(a.body);
    do held[count] = dup(0);
    while (held[count++] < 40);
    a = get(fd, "GET", "/large.bin", "");
    CHECK_INT(a.status, 503);
    CHECK(test_find(&a, "Retry-After"));
    free(a.body);
    a = get(fd, "GET", "/a%20b.txt", ""); /* it is open for a moment only */
    CHECK_INT(a.status, 200);
    free(a.body);
    while (count > 0) close(held[--count]);
    close(fd);
}

/* A file that is no longer what its head has promised ends in a way that no client takes for the whole. */
static void changes(void)
{
    char path[128];
    snprintf(path, sizeof(path), "%s/site/large.bin", root);
    for (int kind = 0; kind < 2; kind++) {
        static char bytes[65536];
        size_t have = 0;
        int fd = begin_large();
        if (kind == 0)
            CHECK(utimes(path, NULL) == 0); /* written to, as far as anybody can tell */
        else
            CHECK(truncate(path, LARGE / 2) == 0);
        ssize_t n;
        while ((n = test_recv(fd, bytes, sizeof(bytes))) > 0) have += (size_t)n;
        CHECK(n < 0 && errno == ECONNRESET);
        CHECK(have < LARGE);
        close(fd);
    }
    TEST_AWAIT(test_exchanges() == 0);
}

static void redirects(void)
{
    int fd = test_connect();
    test_answer a = get(fd, "GET", "/pub/sub?q=1", "");
    CHECK_INT(a.status, 308);
    CHECK_STR(test_find(&a, "Location"), "/pub/sub/?q=1");
    free(a.body);
    a = get(fd, "GET", "/pub?q=1", "");
    CHECK_INT(a.status, 308);
    CHECK_STR(test_find(&a, "Location"), "/pub/?q=1");
    free(a.body);
    a = get(fd, "GET", "//sub", ""); /* "//sub/" would name another host */
    CHECK_INT(a.status, 404);
    free(a.body);
    close(fd);
}

static void clean_up(void)
{
    test_stop();
    CHECK(nftw(root, remove_one, 8, FTW_DEPTH | FTW_PHYS) == 0);
}

static const check_case cases[] = {
    {"set_up", set_up},
    {"sends", sends},
    {"conditions", conditions},
    {"refuses", refuses},
    {"large", large},
    {"slow_readers", slow_readers},
    {"without_descriptors", without_descriptors},
    {"changes", changes},
    {"redirects", redirects},
    {"clean_up", clean_up},
};
CHECK_MAIN(cases)

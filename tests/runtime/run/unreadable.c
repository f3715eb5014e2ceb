/* A run whose journal is damaged where nobody looks before it is read: its clients are told, and nobody else notices.
 */
#include <dirent.h>
#include <sys/stat.h>

#include "runtime/stepwell.h"
#include "tests/harness/served.h"

enum { LARGE = 100000 };

static void on_large(sw_ctx *c)
{
    char *text = sw_alloc(c, LARGE);
    memset(text, 'x', LARGE);
    sw_reply(c, 200, "text/plain", text, LARGE);
}

static void on_small(sw_ctx *c) { sw_reply_text(c, 200, "small"); }

static int serve(int argc, char **argv)
{
    sw_app *app = sw_app_new("unreadable");
    sw_endpoint(app, "GET /large", on_large, NULL);
    sw_endpoint(app, "GET /small", on_small, NULL);
    return sw_main(app, argc, argv);
}

/* ---- Tests ---- */

static char data[128];
static answer a;

static void start(void)
{
    const char *const flags[] = {"--data", data, "--dev", NULL};
    served_start(&server, flags);
}

static void stop(void) { CHECK_INT(served_stop(&server, SIGTERM), 0); }

/* The path of the output URL. */
static void begin(const char *path, char output[1024]) { server_begin(NULL, path, output, 1024); }

/* Values of 16 KiB and more are in files of their own. */
static int damage_blobs(void)
{
    char folder[256];
    int count = 0;
    snprintf(folder, sizeof folder, "%s/journal", data);
    DIR *dir = opendir(folder);
    CHECK(dir);
    for (struct dirent *e; (e = readdir(dir));) {
        char byte = 0;
        if (!strstr(e->d_name, ".blob")) continue;
        int fd = openat(dirfd(dir), e->d_name, O_RDWR | O_CLOEXEC);
        CHECK(fd >= 0 && pwrite(fd, &byte, 1, LARGE / 2) == 1 && close(fd) == 0);
        count++;
    }
    closedir(dir);
    return count;
}

static void test_blob(void)
{
    char large[1024], small[1024];
    start();
    begin("/small", small);
    begin("/large", large);
    stop();
    start(); /* what the log had is in tables and blob files now */
    call(NULL, server_url(large), NULL, NULL, 0, &a);
    CHECK_INT(a.body_len, LARGE);
    stop();
    CHECK_INT(damage_blobs(), 1);
    start();
    for (int i = 0; i < 3; i++) {
        call(NULL, server_url(large), NULL, NULL, 0, &a);
        CHECK_INT(a.status, 503);
        CHECK(strstr(a.body, "could not be read"));
    }
    call(NULL, server_url(small), NULL, NULL, 0, &a);
    CHECK_STR(a.body, "small");
    stop();
}

static const check_case cases[] = {{"a damaged blob is told to its run's clients", test_blob}};

static void name_data(void) { snprintf(data, sizeof data, "%s/data", root); }

SERVED_MAIN(serve, name_data, cases)

/* A first request behind a proxy is sent on before the proxy gives it up, also while its run works: once the run is on
 * disk, and not from a run that ends with its clients. Without a proxy it is kept until the answer is there. */
#include "tests/harness/turned.h"

static bool go;

static sw_value work(sw_ctx *c, sw_value v)
{
    while (!go) sw_sleep(c, "work", 1);
    return v;
}

static void on_work(sw_ctx *c)
{
    sw_reply_text(c, 200, "worked %d", (int)sw_as_int(sw_step(c, "work", work, sw_int(7)), 0));
}

static void routes(sw_app *app)
{
    sw_endpoint(app, "POST /work", on_work, NULL);
    sw_endpoint(app, "POST /tied", on_work, &(sw_endpoint_options){.on_disconnect = SW_CANCEL});
}

static void open_program(const char *flag, const char *value)
{
    go = false;
    turned_open(routes, (const char *const[]){"--hold", "50ms", flag, value, NULL});
}

/* Nothing has come so far. */
static bool is_silent(int fd)
{
    struct pollfd p = {.fd = fd, .events = POLLIN};
    return poll(&p, 1, 0) == 0;
}

static void expect_worked(int fd)
{
    char text[TURNED_TEXT];
    go = true;
    CHECK_INT(turned_reply(fd, text), 200);
    CHECK(strstr(text, "\r\n\r\nworked 7"));
}

/* Where the redirect leads is asked by itself. */
static void expect_sent_on(int fd)
{
    char text[TURNED_TEXT], target[512] = "";
    CHECK_INT(turned_reply(fd, text), 303);
    CHECK(!go);
    const char *at = strstr(text, "Location: http");
    const char *path = at ? strstr(at, "/_sw/runs/") : NULL;
    CHECK(path && sscanf(path, "%511[^\r\n]", target) == 1 && strstr(target, "/output?token="));
    int again = turned_send("GET", target, "X-Forwarded-For: 192.0.2.1\r\n");
    CHECK_INT(turned_reply(again, text), 303); /* a round: the run still works */
    again = turned_send("GET", target, "");
    expect_worked(again);
}

static void test_proxies(void)
{
    static const char *const signs[] = {"X-Forwarded-For: 192.0.2.1\r\n", "Via: 1.1 front\r\n"};
    open_program(NULL, NULL);
    for (size_t i = 0; i < 2; i++) {
        go = false;
        int direct = turned_send("POST", "/work", ""); /* begins to wait before the other */
        turned_often();
        expect_sent_on(turned_send("POST", "/work", signs[i]));
        expect_worked(direct);
    }
    turned_close();
}

/* One URL is enough: this server speaks no TLS. */
static void test_https(void)
{
    open_program("--public-url", "http://here,https://api.example.com");
    expect_sent_on(turned_send("POST", "/work", ""));
    turned_close();
}

static void test_tied(void)
{
    open_program(NULL, NULL);
    int tied = turned_send("POST", "/tied", "Via: 1.1 front\r\n");
    turned_often();
    expect_sent_on(turned_send("POST", "/work", "Via: 1.1 front\r\n")); /* after the other's time was over */
    expect_worked(tied);
    turned_close();
}

/* A redirect promises that the run is there. */
static void test_not_on_disk(void)
{
    open_program(NULL, NULL);
    turned_writes = false;
    int fd = turned_send("POST", "/work", "Via: 1.1 front\r\n");
    int64_t until_ms = clock_steady_ms() + 200; /* longer than --hold */
    TURN_UNTIL(clock_steady_ms() > until_ms);
    CHECK(is_silent(fd));
    turned_writes = true;
    expect_sent_on(fd);
    turned_close();
}

static const check_case cases[] = {{"behind a proxy that shows itself", test_proxies},
                                   {"a public URL of https", test_https},
                                   {"a run that ends with its clients keeps them", test_tied},
                                   {"not before the run is on disk", test_not_on_disk}};
CHECK_MAIN(cases)

/* OpenTelemetry's environment variables, and the sampler that they name. */
#include "runtime/trace/sampler.h"
#include "runtime/trace/trace_env.h"
#include "tests/harness/check.h"

static void clear(void)
{
    extern char **environ;
    static char *none[] = {NULL};
    environ = none;
}

static void set(const char *name, const char *value) { CHECK(setenv(name, value, 1) == 0); }

static trace_env read_env(void)
{
    trace_env e;
    CHECK(trace_env_read(&e, "program"));
    return e;
}

static const char *pair(const trace_pairs *p, const char *name)
{
    for (size_t i = 0; i < p->count; i++)
        if (strcmp(p->all[i].name, name) == 0) return p->all[i].value;
    return NULL;
}

static bool is_on(void)
{
    trace_env e = read_env();
    bool on = e.is_on;
    trace_env_free(&e);
    return on;
}

static void test_on(void)
{
    clear();
    CHECK(!is_on());
    set("OTEL_EXPORTER_OTLP_ENDPOINT", "http://c:1");
    CHECK(is_on());
    set("OTEL_SDK_DISABLED", "TRUE");
    CHECK(!is_on());
    set("OTEL_SDK_DISABLED", "1"); /* the specification knows "true" alone */
    CHECK(is_on());
    set("OTEL_TRACES_EXPORTER", "none");
    CHECK(!is_on());
    set("OTEL_TRACES_EXPORTER", "zipkin");
    CHECK(!is_on());
    clear();
    set("OTEL_TRACES_EXPORTER", "otlp");
    trace_env e = read_env();
    CHECK(e.is_on);
    CHECK_STR(e.url, "http://localhost:4318/v1/traces");
    CHECK_STR(pair(&e.resource, "service.name"), "program");
    CHECK(e.queue_max == 2048 && e.batch_max == 512 && e.delay_ms == 5000 && e.timeout_ms == 10000 && !e.is_json);
    trace_env_free(&e);
}

static void test_urls(void)
{
    static const char *const urls[][2] = {{"http://c:4318", "http://c:4318/v1/traces"},
                                          {"http://c:4318/", "http://c:4318/v1/traces"},
                                          {"https://c/base", "https://c/base/v1/traces"}};
    for (size_t i = 0; i < sizeof urls / sizeof *urls; i++) {
        clear();
        set("OTEL_EXPORTER_OTLP_ENDPOINT", urls[i][0]);
        trace_env e = read_env();
        CHECK_STR(e.url, urls[i][1]);
        trace_env_free(&e);
    }
    set("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "http://t/as-it-is");
    trace_env e = read_env();
    CHECK_STR(e.url, "http://t/as-it-is");
    trace_env_free(&e);
}

static void test_lists(void)
{
    clear();
    set("OTEL_EXPORTER_OTLP_ENDPOINT", "http://c");
    set("OTEL_EXPORTER_OTLP_HEADERS", "api-key=se%2Ccret, other = value ,");
    set("OTEL_RESOURCE_ATTRIBUTES", "service.name=from-attributes,k=v");
    trace_env e = read_env();
    CHECK_INT(e.headers.count, 2);
    CHECK_STR(pair(&e.headers, "api-key"), "se,cret");
    CHECK_STR(pair(&e.headers, "other"), "value");
    CHECK_STR(pair(&e.resource, "service.name"), "from-attributes");
    CHECK_STR(pair(&e.resource, "k"), "v");
    CHECK(trace_env_add(&e, "k", "not taken") && trace_env_add(&e, "process.pid", "1"));
    CHECK_STR(pair(&e.resource, "k"), "v");
    trace_env_free(&e);
    set("OTEL_SERVICE_NAME", "no \xff utf-8");
    e = read_env();
    CHECK_STR(pair(&e.resource, "service.name"), "from-attributes");
    trace_env_free(&e);
    set("OTEL_SERVICE_NAME", "own");
    set("OTEL_EXPORTER_OTLP_TRACES_HEADERS", "only=this");
    e = read_env();
    CHECK_STR(pair(&e.resource, "service.name"), "own");
    CHECK_INT(e.headers.count, 1);
    trace_env_free(&e);
    static const char *const bad[] = {"a", "=b", "a=%0d%0aX: y", "a=%4", "a=b,c", "a=%zz", "a=%ff", "a=%c3", "a\xff=b"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        set("OTEL_EXPORTER_OTLP_TRACES_HEADERS", bad[i]);
        e = read_env();
        CHECK_INT(e.headers.count, 0);
        trace_env_free(&e);
    }
}

static void test_numbers(void)
{
    clear();
    set("OTEL_EXPORTER_OTLP_ENDPOINT", "http://c");
    set("OTEL_BSP_MAX_QUEUE_SIZE", "100");
    set("OTEL_BSP_SCHEDULE_DELAY", "-1");
    set("OTEL_EXPORTER_OTLP_TIMEOUT", "2x");
    set("OTEL_EXPORTER_OTLP_PROTOCOL", "http/json");
    set("OTEL_EXPORTER_OTLP_COMPRESSION", "gzip");
    trace_env e = read_env();
    CHECK(e.queue_max == 100 && e.batch_max == 100 && e.delay_ms == 5000 && e.timeout_ms == 10000 && e.is_json);
    CHECK(e.is_gzip);
    trace_env_free(&e);
    set("OTEL_BSP_MAX_QUEUE_SIZE", "99999999999999999999");
    set("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", "7");
    set("OTEL_EXPORTER_OTLP_TRACES_TIMEOUT", "250");
    set("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "grpc");
    set("OTEL_EXPORTER_OTLP_TRACES_COMPRESSION", "zstd");
    e = read_env();
    CHECK(e.queue_max == 2048 && e.batch_max == 7 && e.timeout_ms == 250 && !e.is_json && !e.is_gzip);
    trace_env_free(&e);
}

/* A batch is never larger than what its message can say of its length, however large the queue. */
static void test_batches(void)
{
    static const char *const batches[][2] = {{"8192", "8192"}, {"8193", "512"}, {"262144", "512"}, {"1", "1"}};
    clear();
    set("OTEL_EXPORTER_OTLP_ENDPOINT", "http://c");
    set("OTEL_BSP_MAX_QUEUE_SIZE", "262144");
    for (size_t i = 0; i < sizeof batches / sizeof *batches; i++) {
        set("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", batches[i][0]);
        trace_env e = read_env();
        CHECK_INT(e.queue_max, 262144);
        CHECK_INT(e.batch_max, strtol(batches[i][1], NULL, 10));
        trace_env_free(&e);
    }
}

static void test_samplers(void)
{
    sampler s;
    static const uint8_t id[TRACE_ID_BYTES] = {0xff, [8] = 1, 2, 3, 4, 5, 6, 7, 8};
    const uint64_t low = 0, high = UINT64_MAX;
    CHECK(sampler_draw(id) == 0x0102030405060708);
    const trace_parent yes = {.flags = 1}, no = {.flags = 0};
    CHECK(sampler_read(NULL, NULL, &s) && sampler_takes(&s, high, NULL) && !sampler_takes(&s, high, &no));
    CHECK(sampler_read("always_on", NULL, &s) && sampler_takes(&s, high, &no));
    CHECK(sampler_read("always_off", NULL, &s) && !sampler_takes(&s, low, &yes));
    CHECK(sampler_read("parentbased_always_off", NULL, &s) && !sampler_takes(&s, low, NULL));
    CHECK(sampler_takes(&s, low, &yes));
    CHECK(sampler_read("traceidratio", "0.5", &s) && sampler_takes(&s, low, &no) && !sampler_takes(&s, high, &yes));
    CHECK(sampler_read("traceidratio", NULL, &s) && sampler_takes(&s, high, NULL));
    CHECK(sampler_read("traceidratio", "0", &s) && !sampler_takes(&s, low, NULL));
    CHECK(sampler_read("parentbased_traceidratio", "1e-3", &s) && sampler_takes(&s, low, NULL));
    static const char *const bad[][2] = {{"no such", NULL},         {"traceidratio", "2"},   {"traceidratio", "-0.1"},
                                         {"traceidratio", "0.5 x"}, {"traceidratio", "nan"}, {"parentbased_", NULL}};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        CHECK(!sampler_read(bad[i][0], bad[i][1], &s));
        CHECK(s.follows_parent && s.share >= 1);
    }
}

static const check_case cases[] = {{"whether traces are exported", test_on}, {"where they go", test_urls},
                                   {"lists of pairs", test_lists},           {"numbers", test_numbers},
                                   {"batches have a bound", test_batches},   {"samplers", test_samplers}};

int main(int argc, char **argv) { return check_run(cases, sizeof cases / sizeof *cases, argc, argv); }

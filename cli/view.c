#include "cli/view.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#include "cli/safe.h"
#include "runtime/base/json.h"

static sw_bytes as_json(cli *c, sw_value v)
{
    sw_bytes json = {"", 0};
    if (!json_write_document(&c->arena, v, &json)) cli_must(NULL);
    return json;
}

const char *view_text(cli *c, sw_value v, size_t columns)
{
    if (sw_is_nil(v)) return "";
    if (sw_type(v) == SW_STRING) return safe_text(c, v.via.str.ptr, v.via.str.size, columns);
    sw_bytes json = as_json(c, v);
    return safe_text(c, json.data, json.len, columns);
}

const char *view_time(cli *c, sw_value unix_ms)
{
    int64_t ms = sw_as_int(unix_ms, 0);
    time_t seconds = (time_t)(ms / 1000);
    struct tm t;
    char text[32];
    if (ms <= 0 || !gmtime_r(&seconds, &t) || strftime(text, sizeof text, "%Y-%m-%d %H:%M:%S", &t) == 0) return "";
    return cli_text(c, "%s", text);
}

const char *view_duration(cli *c, int64_t ms)
{
    int64_t s = ms / 1000;
    if (ms < 0) ms = 0; /* two clocks */
    if (ms < 1000) return cli_text(c, "%lld ms", (long long)ms);
    if (s < 60) return cli_text(c, "%lld.%lld s", (long long)s, (long long)(ms % 1000 / 100));
    if (s < 3600) return cli_text(c, "%lld m %lld s", (long long)(s / 60), (long long)(s % 60));
    if (s < 86400) return cli_text(c, "%lld h %lld m", (long long)(s / 3600), (long long)(s % 3600 / 60));
    return cli_text(c, "%lld d %lld h", (long long)(s / 86400), (long long)(s % 86400 / 3600));
}

const char *view_bytes(cli *c, uint64_t bytes)
{
    static const char *const units[] = {"KiB", "MiB", "GiB", "TiB"};
    double n = (double)bytes / 1024;
    size_t unit = 0;
    if (bytes < 1024) return cli_text(c, "%llu bytes", (unsigned long long)bytes);
    for (; n >= 1024 && unit + 1 < sizeof units / sizeof *units; unit++) n /= 1024;
    return cli_text(c, "%.1f %s", n, units[unit]);
}

/* Writes the character as escapes that mean it: two of half a pair each, from U+10000 on. */
static void put_escaped(FILE *to, uint32_t code)
{
    if (code > 0xffff)
        fprintf(to, "\\u%04x\\u%04x", 0xd800 + ((code - 0x10000) >> 10), 0xdc00 + (code & 0x3ff));
    else
        fprintf(to, "\\u%04x", code);
}

/* Control characters below a blank are escaped in any JSON, or stand between its words. The others stand in strings
 * alone, where an escape means the same. */
void view_put_json(FILE *to, const char *json, size_t len)
{
    for (size_t i = 0; i < len;) {
        uint32_t code;
        size_t n = safe_code((const uint8_t *)json + i, len - i, &code);
        if (n == 0)
            put_escaped(to, 0xfffd);
        else if (code >= ' ' && safe_is_hostile(code))
            put_escaped(to, code);
        else
            fwrite(json + i, 1, n, to);
        i += n > 0 ? n : 1;
    }
}

void view_print_json(cli *c, sw_value v)
{
    sw_bytes json = as_json(c, v);
    view_put_json(stdout, json.data, json.len);
    putchar('\n');
}

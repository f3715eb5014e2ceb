#include "runtime/base/moment_text.h"

#include <assert.h>

#include "runtime/base/moment.h"

enum { MS_DIGITS_MAX = 15, DATE_LEN = 19, DAY_S = 86400 };

/* Reads a number of so many digits. -1: other characters are there, or too few. */
static int64_t digits_read(const char *text, size_t len, size_t count)
{
    int64_t n = 0;
    if (len < count) return -1;
    for (size_t i = 0; i < count; i++) {
        if (text[i] < '0' || text[i] > '9') return -1;
        n = n * 10 + (text[i] - '0');
    }
    return n;
}

static bool is_leap(int64_t year) { return (year % 4 == 0 && year % 100 != 0) || year % 400 == 0; }

/* 0: there is no such month. */
static int64_t month_days(int64_t year, int64_t month)
{
    static const int days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    if (month < 1 || month > 12) return 0;
    return days[month - 1] + (month == 2 && is_leap(year));
}

/* Days from 1970 on; the year is 1970 or later. */
static int64_t days_of(int64_t year, int64_t month, int64_t day)
{
    int64_t before = year - 1, days = (year - 1970) * 365 + (before / 4 - before / 100 + before / 400) - 477;
    assert(year >= 1970);
    for (int64_t m = 1; m < month; m++) days += month_days(year, m);
    return days + day - 1;
}

/* Reads "2026-11-27T15:42:53"; -1: it is no such text. A leap second is the second behind it. */
static int64_t seconds_read(const char *t, size_t len)
{
    if (len < DATE_LEN || t[4] != '-' || t[7] != '-' || t[13] != ':' || t[16] != ':') return -1;
    if (t[10] != 'T' && t[10] != 't' && t[10] != ' ') return -1;
    int64_t year = digits_read(t, 4, 4), month = digits_read(t + 5, 2, 2), day = digits_read(t + 8, 2, 2);
    int64_t hour = digits_read(t + 11, 2, 2), minute = digits_read(t + 14, 2, 2), second = digits_read(t + 17, 2, 2);
    if (year < 1970 || day < 1 || day > month_days(year, month)) return -1;
    if (hour < 0 || hour > 23 || minute < 0 || minute > 59 || second < 0 || second > 60) return -1;
    return days_of(year, month, day) * DAY_S + hour * 3600 + minute * 60 + second;
}

/* Reads ".123" up to the offset: *ms are its milliseconds. Returns how long it is. */
static size_t fraction_read(const char *text, size_t len, int64_t *ms)
{
    size_t n = 1;
    *ms = 0;
    if (len == 0 || text[0] != '.') return 0;
    for (int64_t weight = 100; n < len && text[n] >= '0' && text[n] <= '9'; n++, weight /= 10)
        *ms += weight * (text[n] - '0');
    return n > 1 ? n : 0;
}

/* Reads "Z" or "+01:00": *seconds is how far that is ahead of Universal Time. */
static bool offset_read(const char *text, size_t len, int64_t *seconds)
{
    *seconds = 0;
    if (len == 1) return text[0] == 'Z' || text[0] == 'z';
    if (len != 6 || text[3] != ':' || (text[0] != '+' && text[0] != ' ' && text[0] != '-')) return false;
    int64_t hours = digits_read(text + 1, 2, 2), minutes = digits_read(text + 4, 2, 2);
    if (hours < 0 || hours > 23 || minutes < 0 || minutes > 59) return false;
    *seconds = (hours * 3600 + minutes * 60) * (text[0] == '-' ? -1 : 1);
    return true;
}

bool moment_text_read(const char *text, size_t len, int64_t *ms)
{
    int64_t fraction_ms, ahead_s, whole = len > 0 && len <= MS_DIGITS_MAX ? digits_read(text, len, len) : -1;
    if (whole >= 0) {
        *ms = moment_of(whole);
        return whole == *ms;
    }
    int64_t seconds = seconds_read(text, len);
    if (seconds < 0) return false;
    size_t at = DATE_LEN + fraction_read(text + DATE_LEN, len - DATE_LEN, &fraction_ms);
    if (!offset_read(text + at, len - at, &ahead_s)) return false;
    whole = (seconds - ahead_s) * 1000 + fraction_ms;
    *ms = moment_of(whole);
    return whole == *ms;
}

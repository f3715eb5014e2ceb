"""Makes what `promtool test rules` takes: for each alert of a file of rules a time in which it has to fire, and one in
which it must not."""
import json

LABELS = '{job="shop",instance="a"'


def series(name, values, more=""):
    return {"series": name + LABELS + more + "}", "values": values}


def histogram(name, slow, more=""):
    """Of 10 a minute: all within a millisecond, or all between half a second and a second."""
    still, all_of_them = "0x300", "0+10x300"
    bounds = {"0.001": still if slow else all_of_them, "0.5": still if slow else all_of_them, "1": all_of_them}
    return [series(name + "_bucket", v, more + f',le="{le}"') for le, v in {**bounds, "+Inf": all_of_them}.items()]


def count(name, values, more):
    return series(name + "_count", values, more)


RUNS, STEPS = "stepwell_run_duration_seconds", "stepwell_step_duration_seconds"
BUILD = series("stepwell_build_info", "1x600", ',version="1"')
STEP = ',endpoint="POST /a",step="pay"'
RUN = ',endpoint="POST /a"'

# alert: (series with which it fires, series with which it does not, minutes until then)
ALERTS = {
    "StepwellJournalReadOnly": (
        [series("stepwell_journal_read_only", "1x300")],
        [series("stepwell_journal_read_only", "0x300")],
        10,
    ),
    "StepwellRefuses": (
        [series("stepwell_requests_refused_total", "0+1x300")],
        [series("stepwell_requests_refused_total", "7x300")],
        30,
    ),
    "StepwellRunsFail": (
        [count(RUNS, "0+1x300", RUN + ',outcome="failed"'), count(RUNS, "0+9x300", RUN + ',outcome="succeeded"')],
        [count(RUNS, "0+9x300", RUN + ',outcome="succeeded"'), count(RUNS, "0+9x300", RUN + ',outcome="rejected"')],
        60,
    ),
    "StepwellSchedulesMissed": (
        [series("stepwell_schedule_points_missed_total", "0+1x300")],
        [series("stepwell_schedule_points_missed_total", "7x300")],
        30,
    ),
    "StepwellRunsStopped": ([series("stepwell_runs_stopped", "1x300")], [series("stepwell_runs_stopped", "0x300")], 10),
    "StepwellStepFails": (
        [count(STEPS, "0+9x300", STEP + ',outcome="retried"'), count(STEPS, "0+1x300", STEP + ',outcome="succeeded"')],
        [count(STEPS, "0+1x300", STEP + ',outcome="retried"'), count(STEPS, "0+9x300", STEP + ',outcome="succeeded"')],
        60,
    ),
    "StepwellRunsPileUp": (
        [series("stepwell_runs_unfinished", "200+1x600")],
        [series("stepwell_runs_unfinished", "200x600")],
        480,
    ),
    "StepwellCommitsSlow": (
        histogram("stepwell_journal_commit_duration_seconds", True),
        histogram("stepwell_journal_commit_duration_seconds", False),
        60,
    ),
    "StepwellLoopsBlocked": (
        histogram("stepwell_loop_turn_seconds", True),
        histogram("stepwell_loop_turn_seconds", False),
        60,
    ),
    "StepwellFilesRunOut": (
        [BUILD, series("process_open_fds", "95x300"), series("process_max_fds", "100x300")],
        [BUILD, series("process_open_fds", "50x300"), series("process_max_fds", "100x300")],
        60,
    ),
    "StepwellRestarts": (
        [BUILD, series("process_start_time_seconds", "0+1x300")],
        [BUILD, series("process_start_time_seconds", "5x300")],
        60,
    ),
    "StepwellSeriesUsedUp": (
        [series("stepwell_metric_others_total", "0+1x600")],
        [series("stepwell_metric_others_total", "0x600")],
        200,
    ),
}


def promql(alert):
    return f'count(ALERTS{{alertname="{alert}",alertstate="firing"}})'


def unit_tests(rules):
    """YAML is JSON too."""
    tests = []
    for alert, (fires, silent, minutes) in ALERTS.items():
        for given, seen in ((fires, [{"labels": "{}", "value": 1}]), (silent, [])):
            wanted = {"expr": promql(alert), "eval_time": f"{minutes}m", "exp_samples": seen}
            tests.append({"interval": "1m", "name": alert, "input_series": given, "promql_expr_test": [wanted]})
    return json.dumps({"rule_files": [rules], "evaluation_interval": "1m", "tests": tests}, indent=1)

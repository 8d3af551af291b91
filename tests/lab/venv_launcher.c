/* Lib\venv\scripts\nt\python.exe: becomes Scripts\python.exe of each virtual environment.
 *
 * Starts the interpreter in the folder that pyvenv.cfg names, tells it the environment's own program, and ends as it
 * does.
 */
#include <stdio.h>
#include <wchar.h>
#include <windows.h>

#define ROOM 32768

static wchar_t self[ROOM], folder[ROOM], interpreter[ROOM], command_line[ROOM];

static int fail(const char *what)
{
    fprintf(stderr, "%ls: %s (error %lu)\n", self, what, GetLastError());
    return 106;
}

/* Finds the line `home = FOLDER` and makes the interpreter's path of it. */
static int read_home(FILE *config)
{
    static char line[ROOM];
    while (fgets(line, ROOM, config)) {
        char *value = strchr(line, '=');
        if (strncmp(line, "home", 4) || !value)
            continue;
        value += 1 + strspn(value + 1, " \t");
        value[strcspn(value, "\r\n")] = 0;
        if (!MultiByteToWideChar(CP_UTF8, 0, value, -1, interpreter, ROOM - 16))
            return 0;
        wcscat(interpreter, L"\\python.exe");
        return 1;
    }
    return 0;
}

/* Looks for pyvenv.cfg beside this program and one folder up. */
static int find_interpreter(void)
{
    wcscpy(folder, self);
    for (int up = 0; up < 2; up++) {
        wchar_t *end = wcsrchr(folder, L'\\');
        if (!end)
            return 0;
        wcscpy(end, L"\\pyvenv.cfg");
        FILE *config = _wfopen(folder, L"rb");
        *end = 0;
        if (config) {
            int found = read_home(config);
            fclose(config);
            return found;
        }
    }
    return 0;
}

/* What follows the program in the command line, quoted as it was. */
static const wchar_t *arguments(void)
{
    const wchar_t *rest = GetCommandLineW();
    int quoted = 0;
    for (; *rest && (quoted || (*rest != L' ' && *rest != L'\t')); rest++)
        quoted ^= *rest == L'"';
    return rest;
}

int wmain(void)
{
    GetModuleFileNameW(NULL, self, ROOM);
    if (!find_interpreter())
        return fail("no `home` in `pyvenv.cfg`");
    if (wcslen(interpreter) + wcslen(arguments()) + 3 > ROOM)
        return fail("the command line is too long");
    wcscat(wcscat(wcscat(wcscpy(command_line, L"\""), interpreter), L"\""), arguments());
    SetEnvironmentVariableW(L"__PYVENV_LAUNCHER__", self);

    /* However this program ends, the interpreter ends with it. */
    HANDLE job = CreateJobObjectW(NULL, NULL);
    JOBOBJECT_EXTENDED_LIMIT_INFORMATION limits = {0};
    limits.BasicLimitInformation.LimitFlags =
        JOB_OBJECT_LIMIT_KILL_ON_JOB_CLOSE | JOB_OBJECT_LIMIT_SILENT_BREAKAWAY_OK;
    SetInformationJobObject(job, JobObjectExtendedLimitInformation, &limits, sizeof limits);

    STARTUPINFOW start;
    GetStartupInfoW(&start);
    PROCESS_INFORMATION child;
    if (!CreateProcessW(interpreter, command_line, NULL, NULL, TRUE, 0, NULL, NULL, &start, &child))
        return fail("cannot start the interpreter");
    AssignProcessToJobObject(job, child.hProcess);
    WaitForSingleObject(child.hProcess, INFINITE);
    DWORD code = 0;
    GetExitCodeProcess(child.hProcess, &code);
    return (int)code;
}

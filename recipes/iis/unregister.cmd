@echo off
rem Takes the site {{ name }} out of IIS again, as register.cmd of this folder has put it there. What the project has
rem written stays.
setlocal disabledelayedexpansion
chcp 65001 >nul
set "SITE={{ name }}"
set "SYSTEM=%windir%\System32"
if defined PROCESSOR_ARCHITEW6432 set "SYSTEM=%windir%\Sysnative"
set "APPCMD=%SYSTEM%\inetsrv\appcmd.exe"
for %%I in ("%~dp0..") do set "ROOT=%%~fI"
for %%I in ("%ROOT%\..\%SITE%-shared") do set "SHARED=%%~fI"
set "PYTHON=%ROOT%\{{ python }}"
set "CONFIG=%SHARED%\bridge.toml"

if not exist "%APPCMD%" echo There is no IIS on this machine.& exit /b 3
fltmc >nul 2>&1
if errorlevel 1 echo Only administrators may change IIS: run this from a prompt opened by "Run as administrator".& exit /b 5

rem What is not there is not missed.
"%APPCMD%" set config /section:system.webServer/fastCgi "/-[fullPath='%PYTHON%',arguments='{{ arguments }} --config \"%CONFIG%\"']" /commit:apphost >nul
set "OURS="
for /f "delims=" %%P in ('call "%APPCMD%" list vdir "%SITE%/" /text:physicalPath') do if /i "%%P"=="%ROOT%\www" set "OURS=yes"
if not defined OURS echo The site %SITE% does not serve this folder: it is left as it is.& exit /b 0
{%- if static_path %}
"%APPCMD%" clear config "%SITE%/{{ static_path }}" /section:system.webServer/handlers /delete /commit:apphost >nul
{%- endif %}
for %%S in (handlers security/authentication/anonymousAuthentication httpErrors security/requestFiltering) do "%APPCMD%" clear config "%SITE%" /section:system.webServer/%%S /delete /commit:apphost >nul
"%APPCMD%" delete site "%SITE%"
if errorlevel 1 exit /b 1
"%APPCMD%" delete apppool "%SITE%"
if errorlevel 1 exit /b 1
echo The site %SITE% is gone from IIS. Its data is still in "%SHARED%".
exit /b 0

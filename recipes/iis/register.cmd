@echo off
rem Registers this folder as the site {{ name }} in IIS, by nothing but IIS's own appcmd. For people without holdall:
rem "holdall deploy" does more (it warms, probes, switches at once and rolls back), and this script knows nothing of it.
rem
rem     register.cmd [PORT]      as an administrator; port 80 unless given. unregister.cmd takes it all back.
setlocal disabledelayedexpansion
chcp 65001 >nul
set "SITE={{ name }}"
set "PORT=80"
if not "%~1"=="" set "PORT=%~1"
set "SYSTEM=%windir%\System32"
if defined PROCESSOR_ARCHITEW6432 set "SYSTEM=%windir%\Sysnative"
set "APPCMD=%SYSTEM%\inetsrv\appcmd.exe"
for %%I in ("%~dp0..") do set "ROOT=%%~fI"
for %%I in ("%ROOT%\..\%SITE%-shared") do set "SHARED=%%~fI"
set "PYTHON=%ROOT%\{{ python }}"
set "CONFIG=%SHARED%\bridge.toml"

if not exist "%APPCMD%" echo There is no IIS on this machine: install it with its CGI feature.& exit /b 3
fltmc >nul 2>&1
if errorlevel 1 echo Only administrators may change IIS: run this from a prompt opened by "Run as administrator".& exit /b 5
if not "%ROOT:'=%"=="%ROOT%" goto badname
if not "%ROOT:&=%"=="%ROOT%" goto badname
if not "%ROOT:^=%"=="%ROOT%" goto badname
if not exist "%PYTHON%" echo "%PYTHON%" is missing: this folder is not a whole bundle.& exit /b 3
"%APPCMD%" list config /section:system.webServer/globalModules | find "FastCgiModule" >nul
if errorlevel 1 echo IIS has no FastCGI: dism /online /enable-feature /all /featurename:IIS-CGI installs it.& exit /b 3

rem What the project writes lies beside this folder, so that the next version finds it.
if not exist "%SHARED%\tmp" mkdir "%SHARED%\tmp"
if errorlevel 1 goto failed
if exist "%CONFIG%" goto configured
>"%CONFIG%" echo app = "{{ app }}"
>>"%CONFIG%" echo [environment]
>>"%CONFIG%" echo DJANGO_SETTINGS_MODULE = "{{ settings }}"
>>"%CONFIG%" echo HOLDALL_SITE = "{{ name }}"
>>"%CONFIG%" echo HOLDALL_SHARED = '%SHARED%'
>>"%CONFIG%" echo TEMP = '%SHARED%\tmp'
>>"%CONFIG%" echo TMP = '%SHARED%\tmp'
{%- for variable in environment %}
>>"%CONFIG%" echo # {{ variable }} = "..."
{%- endfor %}
if errorlevel 1 goto failed
icacls "%CONFIG%" /inheritance:r /grant:r *S-1-5-18:F *S-1-5-32-544:F *{{ pool_sid }}:R >nul
if errorlevel 1 goto failed
{%- if environment %}
echo The project needs {{ environment | join(", ") }}: write their values into
echo     "%CONFIG%"
echo without the # in front, then run this again.
exit /b 3
{%- endif %}

:configured
"%APPCMD%" list apppool "%SITE%" >nul
if not errorlevel 1 goto pool
"%APPCMD%" add apppool /name:%SITE% /managedRuntimeVersion: /processModel.idleTimeout:00:00:00 /processModel.loadUserProfile:true /recycling.periodicRestart.time:00:00:00
if errorlevel 1 goto failed
:pool
icacls "%ROOT%" /grant *{{ pool_sid }}:(OI)(CI)RX >nul
if errorlevel 1 goto failed
icacls "%SHARED%" /grant *{{ pool_sid }}:(OI)(CI)M >nul
if errorlevel 1 goto failed

rem One entry for each folder; an entry that is there already is made anew.
"%APPCMD%" set config /section:system.webServer/fastCgi "/-[fullPath='%PYTHON%',arguments='{{ arguments }} --config \"%CONFIG%\"']" /commit:apphost >nul
"%APPCMD%" set config /section:system.webServer/fastCgi "/+[fullPath='%PYTHON%',arguments='{{ arguments }} --config \"%CONFIG%\"',maxInstances='4',idleTimeout='86400',activityTimeout='300',requestTimeout='300',instanceMaxRequests='100000',signalBeforeTerminateSeconds='30',stderrMode='IgnoreAndReturn200']" /commit:apphost
if errorlevel 1 goto failed

"%APPCMD%" list site "%SITE%" >nul
if not errorlevel 1 goto site
"%APPCMD%" add site /name:%SITE% /bindings:http/*:%PORT%: "/physicalPath:%ROOT%\www" /serverAutoStart:false
if errorlevel 1 goto failed
:site
"%APPCMD%" set app "%SITE%/" /applicationPool:%SITE%
if errorlevel 1 goto failed
"%APPCMD%" set config "%SITE%" /section:system.webServer/handlers "/-[name='holdall']" /commit:apphost >nul
"%APPCMD%" set config "%SITE%" /section:system.webServer/handlers "/+[@start,name='holdall',path='*',verb='*',modules='FastCgiModule',scriptProcessor='%PYTHON%|{{ arguments }} --config \"%CONFIG%\"',resourceType='Unspecified',requireAccess='Script',responseBufferLimit='0']" /commit:apphost
if errorlevel 1 goto failed
{%- if static_path %}
rem Static files are the web server's own. A handler that was removed there before cannot be removed again.
"%APPCMD%" clear config "%SITE%/{{ static_path }}" /section:system.webServer/handlers /delete /commit:apphost >nul
"%APPCMD%" set config "%SITE%/{{ static_path }}" /section:system.webServer/handlers "/-[name='holdall']" /commit:apphost
if errorlevel 1 goto failed
{%- endif %}
"%APPCMD%" set config "%SITE%" /section:system.webServer/security/authentication/anonymousAuthentication /userName: /commit:apphost
if errorlevel 1 goto failed
"%APPCMD%" set config "%SITE%" /section:system.webServer/httpErrors /existingResponse:PassThrough /commit:apphost
if errorlevel 1 goto failed
"%APPCMD%" set config "%SITE%" /section:system.webServer/security/requestFiltering /allowDoubleEscaping:true /requestLimits.maxUrl:8192 /requestLimits.maxQueryString:16384 /commit:apphost
if errorlevel 1 goto failed
"%APPCMD%" set vdir "%SITE%/" "/physicalPath:%ROOT%\www"
if errorlevel 1 goto failed
"%APPCMD%" set site "%SITE%" /serverAutoStart:true
if errorlevel 1 goto failed
"%APPCMD%" list site "%SITE%" /state:Started | find "%SITE%" >nul
if not errorlevel 1 goto done
"%APPCMD%" start site "%SITE%"
if errorlevel 1 goto failed
:done
echo The site %SITE% is registered. Its settings are in "%CONFIG%".
exit /b 0

:badname
echo IIS's appcmd takes no folder with ' or ^& or ^^ in its path: move this one.
exit /b 3

:failed
echo It did not work: see what stands above. unregister.cmd takes back what was done.
exit /b 1

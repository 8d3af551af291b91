@echo off
rem Puts the bundle that was unpacked into this folder into service, by the holdall.exe that lies beside this file.
rem A double-click will do. A holdall that is installed on this server is to be preferred, as what a bundle brings along
rem proves nothing of that bundle: "holdall deploy" in this folder is the same.
rem
rem     deploy.cmd [OPTIONS]     any of "holdall deploy", such as --plan; the exit code is holdall's
setlocal disabledelayedexpansion
set "SELF=%~f0"
rem The Explorer starts what was clicked in one way, which nobody else uses: cmd.exe /c ""SELF" ". Nobody would see what is
rem said in such a window, unless it stays. The path is compared by "!", as it may hold what cmd.exe would act on.
setlocal enabledelayedexpansion
set "LINE=!CMDCMDLINE:"=!"
set "LINE=!LINE:* /c =!"
set "CLICKED="
if /i "!LINE!"=="!SELF! " set "CLICKED=yes"
endlocal & set "CLICKED=%CLICKED%"

if not exist "%~dp0holdall.exe" goto missing
"%~dp0holdall.exe" --version >nul 2>&1
if not "%ERRORLEVEL%"=="0" goto blocked
if not defined CLICKED goto deploy

rem Programs by their full paths: in a folder of downloads anything may be called by their names.
set "SYSTEM=%SystemRoot%\System32"
if defined PROCESSOR_ARCHITEW6432 set "SYSTEM=%SystemRoot%\Sysnative"
"%SYSTEM%\fltmc.exe" >nul 2>&1
if "%ERRORLEVEL%"=="0" goto deploy
echo Only administrators may change IIS: Windows asks for their leave now, and goes on in another window.
"%SYSTEM%\WindowsPowerShell\v1.0\powershell.exe" -NoProfile -Command "$q = [string][char]34; Start-Process -Verb RunAs -FilePath $env:ComSpec -ArgumentList ('/d /v:off /s /c ' + $q + $q + $env:SELF + $q + ' ' + $q) -ErrorAction Stop" >nul 2>&1
if "%ERRORLEVEL%"=="0" exit /b 0
echo That was refused, or there is no PowerShell. Click deploy.cmd with the right button, "Run as administrator"; or open a
echo prompt that way and run this there:
echo     "%SELF%"
set "CODE=3"
goto end

:deploy
"%~dp0holdall.exe" deploy "%~dp0." %*
set "CODE=%ERRORLEVEL%"
goto end

:missing
echo There is no holdall.exe in "%~dp0".
echo Unpack the whole bundle into a folder ("Extract All"), and run deploy.cmd there. If it was unpacked, a virus scanner
echo may have taken it: the installed holdall deploys this folder as well.
set "CODE=3"
goto end

:blocked
echo Windows does not let holdall.exe run. What was downloaded is blocked, with all that is unpacked from it: click the
echo bundle with the right button, choose Properties, tick "Unblock", and unpack it again. Or run this in PowerShell, in
echo this folder, and then deploy.cmd again:
echo     Get-ChildItem -Recurse ^| Unblock-File
set "CODE=3"

:end
if defined CLICKED pause
exit /b %CODE%

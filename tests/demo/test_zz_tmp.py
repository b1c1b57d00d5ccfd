import time, importlib.util, sys
spec=importlib.util.spec_from_file_location("td","/work/main/tests/demo/test_demo.py"); td=importlib.util.module_from_spec(spec); sys.modules["td"]=td; spec.loader.exec_module(td)
async def test_x(postgres_url):
    db=td.Database(postgres_url)
    for calls in (0,5,20,65,200):
        t=time.time(); c=time.process_time(); r=await td.load_broken_off_after(db,calls); print(calls,r,round(time.time()-t,2), round(time.process_time()-c,2))
    await db.close()

import { driverConformance } from './driver.ts';
import { fakeSubject } from './fake-subject.ts';

driverConformance('fake', fakeSubject);
